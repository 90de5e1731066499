import styles


class Theme:
    """Has a class, its methods and their module's globals behind it."""

    def __init__(self):
        self.colours = ["red", "green"]


styles.use(Theme())
