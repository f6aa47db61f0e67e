// Looks names up by Go's own resolver, which reads resolv.conf and asks by itself: neither glibc nor musl is in it.
// Usage: resolve [-timeout DURATION] NAME; prints the addresses, or the error and exits 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	timeout := flag.Duration("timeout", 30*time.Second, "how long the whole lookup may take")
	flag.Parse()
	bounded, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	addresses, err := (&net.Resolver{PreferGo: true}).LookupHost(bounded, flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, address := range addresses {
		fmt.Println(address)
	}
}
