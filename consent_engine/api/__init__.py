"""The HTTP front: it translates, and decides nothing. `app.create_app` puts it together."""
