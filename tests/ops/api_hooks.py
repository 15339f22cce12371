"""What schemathesis must be told for tests/ops/check-api."""

import schemathesis

# A document a line is sent as the text that it is.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
schemathesis.deserializer("application/x-ndjson")(lambda context, response: response.text)
