module unshare.ko/bindings/go

go 1.19
