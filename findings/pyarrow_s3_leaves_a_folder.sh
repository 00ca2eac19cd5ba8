#!/usr/bin/env bash
# pyarrow.fs.S3FileSystem makes folders in a store that has none.
#
# Seen with pyarrow 18.1.0 and moto 5.1.16 as the store: deleting the only object below a prefix creates an empty object whose key is
# the prefix with a slash. Tools that list objects (TensorFlow's gfile, Kubeflow Pipelines' importer) see a file where there
# was nothing before. An S3 without this call has no object left.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "pyarrow==18.1.0" "moto[server]==5.1.16" "boto3==1.40.70"
cd "$work"
cat > surprise.py <<'PYTHON'
import logging
import os
import sys

logging.getLogger("werkzeug").setLevel(logging.ERROR)
os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
import boto3
import pyarrow
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

server = ThreadedMotoServer(port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f"http://127.0.0.1:{port}"
client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
client.create_bucket(Bucket="bucket")


def keys_after(delete):
    client.put_object(Bucket="bucket", Key="folder/file", Body=b"content")
    delete()
    return [(each["Key"], each["Size"]) for each in client.list_objects_v2(Bucket="bucket").get("Contents", [])]


plain = keys_after(lambda: client.delete_object(Bucket="bucket", Key="folder/file"))
store = S3FileSystem(endpoint_override=address, access_key="a", secret_key="b", region="us-east-1")
arrow = keys_after(lambda: store.delete_file("bucket/folder/file"))
server.stop()
print(f"pyarrow {pyarrow.__version__}: left by boto3 {plain}, left by pyarrow {arrow}")
sys.exit(plain != [] or arrow != [("folder/", 0)])
PYTHON
"$work/venv/bin/python" surprise.py
