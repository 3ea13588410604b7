from fastapi import FastAPI

app = FastAPI(title="Hello")


@app.get("/")
def hello(name: str = "stranger") -> dict[str, str]:
    return {"hello": name}


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}
