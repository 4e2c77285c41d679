// A Go program: files, a sort, JSON, a child process, a TCP exchange with itself, goroutines on one processor.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
)

func main() {
	runtime.GOMAXPROCS(1)
	for i := 0; i < 20; i++ {
		must(os.WriteFile(fmt.Sprintf("f%02d", i), []byte(strings.Repeat("x", i*100)), 0o644))
	}
	entries, err := os.ReadDir(".")
	must(err)
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	sort.Sort(sort.Reverse(sort.StringSlice(names)))
	text, err := json.Marshal(names)
	must(err)
	fmt.Println(string(text))

	out, err := exec.Command("/bin/echo", "from", "a", "child").Output()
	must(err)
	fmt.Print(string(out))

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() {
		peer, err := listener.Accept()
		must(err)
		line, err := bufio.NewReader(peer).ReadString('\n')
		must(err)
		fmt.Fprintf(peer, "you said %s", line)
		peer.Close()
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	must(err)
	fmt.Fprintf(connection, "hello\n")
	answer, err := bufio.NewReader(connection).ReadString('\n')
	must(err)
	fmt.Print(answer)

	var group sync.WaitGroup
	sums := make([]int, 8)
	for n := range sums {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			for i := 0; i < 200000; i++ {
				sums[n] += i % (n + 2)
			}
		}(n)
	}
	group.Wait()
	fmt.Println(sums)

	garbage := 0
	for i := 0; i < 2000; i++ {
		garbage += len(make([]byte, 50000))
	}
	before := time.Now()
	time.Sleep(20 * time.Millisecond)
	fmt.Println(garbage, time.Since(before) >= 20*time.Millisecond)
	os.Exit(6)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
