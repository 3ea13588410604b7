import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const home = readFileSync(new URL("home.html", import.meta.url));

export const app = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://here");
  if (pathname === "/healthz") return answer(response, 200, "application/json", '{"status":"ok"}');
  if (pathname === "/") return answer(response, 200, "text/html; charset=utf-8", home);
  return answer(response, 404, "text/plain", "There is no page here.\n");
});

function answer(response, status, type, body) {
  response.writeHead(status, { "Content-Type": type });
  response.end(body);
}
