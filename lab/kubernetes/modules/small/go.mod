module chaosctl.lab/small

go 1.25
