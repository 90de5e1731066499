import keeper
