//! OpenAPI and Swagger documents as operations: import, checks, requests, credentials.
