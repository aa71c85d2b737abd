"""The OpenAPI document, and the operations it is made from."""
