import guard
