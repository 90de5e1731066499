import settings

settings.configure("production" * 20)
