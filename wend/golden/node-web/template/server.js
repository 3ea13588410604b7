import { app } from "./app.js";

app.listen(process.env.PORT ?? 3000);
process.on("SIGTERM", () => app.close(() => process.exit(0)));
