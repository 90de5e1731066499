import blob
blob.fill()
