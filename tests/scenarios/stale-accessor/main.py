import meters

meters.Meter()
