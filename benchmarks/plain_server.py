"""What our server is compared with: FastAPI around Hugging Face's pipeline, as their documentation shows it.

    python benchmarks/plain_server.py CHECKPOINT --port N [--serial]

CHECKPOINT is a folder with config.json, vocab.txt and model.safetensors. Needs fastapi, uvicorn, torch, transformers,
and nothing of this project, so it can run in an environment of its own.
"""

import argparse

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline


class Texts(BaseModel):
    """What a client sends."""

    instances: list[str]


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--serial", action="store_true", help="one request at a time, in the event loop")
    arguments = parser.parse_args()
    model = AutoModelForSequenceClassification.from_pretrained(arguments.checkpoint, num_labels=4)
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu", top_k=None)
    app = FastAPI()

    def predict(texts: Texts) -> dict[str, list[list[dict[str, str | float]]]]:
        return {"predictions": classify(texts.instances, truncation=True, max_length=128, batch_size=32)}

    async def predict_serially(texts: Texts) -> dict[str, list[list[dict[str, str | float]]]]:
        return predict(texts)

    app.post("/predict")(predict_serially if arguments.serial else predict)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
