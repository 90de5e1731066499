import session
session.login(["joe"])
