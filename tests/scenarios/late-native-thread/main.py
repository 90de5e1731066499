import feeder
