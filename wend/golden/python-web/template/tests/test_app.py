from app import app


def test_home_is_there():
    assert app.test_client().get("/").status_code == 200


def test_is_healthy():
    assert app.test_client().get("/healthz").json == {"status": "ok"}
