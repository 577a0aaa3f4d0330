#!/usr/bin/env bash
# dicomweb-client 0.61.2 hides that an archive refused an instance, where the Content-Type of its answer has a parameter.
#
# `DICOMwebClient.store_instances` returns "information about status of stored instances". An archive that stored some
# of them answers 202 with a Failed SOP Sequence (PS3.18, 10.5.3), as JSON: `application/dicom+json`, to which RFC 9110
# (8.3.1) allows parameters such as a charset. The client compares the whole field with the bare media type, and returns
# an empty data set for any other: neither an error nor a failed instance is seen.
#
# Seen 2026-11-28 with dicomweb-client 0.61.2, pydicom 3.0.2 and requests 2.34.2 on Python 3.11:
#   application/dicom+json: 1 failed
#   application/dicom+json; charset=utf-8: 0 failed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dicomweb-client==0.61.2 pydicom==3.0.2 requests==2.34.2
"$folder/venv/bin/python" -W error::UserWarning - > "$folder/seen" <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

image = Dataset()
image.file_meta, image.preamble = FileMetaDataset(), bytes(128)
image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID

refused = Dataset()
refused.ReferencedSOPClassUID, refused.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
refused.FailureReason = 0xA700
told = Dataset()
told.FailedSOPSequence = [refused]
media_types = ["application/dicom+json", "application/dicom+json; charset=utf-8"]


class Archive(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        content = told.to_json().encode()
        self.send_response(202)
        self.send_header("Content-Type", asked)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Archive)
threading.Thread(target=server.serve_forever, daemon=True).start()
for asked in media_types:
    answer = DICOMwebClient(f"http://127.0.0.1:{server.server_port}/dicom-web").store_instances([image])
    print(f"{asked}: {len(answer.get('FailedSOPSequence', []))} failed")
PYTHON
cat "$folder/seen"
diff "$folder/seen" <(sed -n 's/^#   //p' "$0")
