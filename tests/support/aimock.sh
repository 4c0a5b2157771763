#!/bin/sh
# aimock, a model server for tests that speaks like OpenAI's: aimock.sh [its options]
exec "$(dirname "$0")/tool.sh" npm:@copilotkit/aimock@1.43.0 llmock "$@"
