import walker

print(walker.Walker.shared)
