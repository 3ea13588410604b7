import express from "express";

const app = express();
app.get("/", (request, response) => response.send("Hello from Express!\n"));
app.get("/healthz", (request, response) => response.json({ status: "ok" }));

const server = app.listen(process.env.PORT ?? 3000);
process.on("SIGTERM", () => server.close());
