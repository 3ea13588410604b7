import os

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def hello():
    return f"Hello from Flask, {os.environ.get('GREETING', 'stranger')}!\n"


@app.get("/healthz")
def healthz():
    return jsonify(status="ok")
