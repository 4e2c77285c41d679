// Answers each line of a connection with its number there; a goroutine for each connection, and a
// count of all behind a mutex. What it throws away keeps the collector busy.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

var (
	mutex  sync.Mutex
	served int
	thrown []byte
)

func serve(c net.Conn) {
	in := bufio.NewReader(c)
	for n := 1; ; n++ {
		line, err := in.ReadString('\n')
		if err != nil {
			c.Close()
			return
		}
		mutex.Lock()
		served++
		thrown = make([]byte, 20000+served%1000)
		mutex.Unlock()
		fmt.Fprintf(c, "%d %s", n, line)
	}
}

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() { <-ended; os.Exit(5) }()
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		if c, err := listener.Accept(); err == nil {
			go serve(c)
		}
	}
}
