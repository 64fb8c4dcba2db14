"""What `pytest --nbval notebooks` compares: the text of every output, as it is in git."""


def pytest_collectstart(collector):
    # nbval skips pictures and widgets already. HTML is not in git either (`make notebooks` drops
    # it); the text/plain beside it is, and is compared. Pages are looked at in a browser.
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("text/html", "image/svg+xml")
