package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	for _, name := range os.Args[2:] {
		text, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		if Genuine(r.Header, body, []byte(os.Args[1]), 300*time.Second) {
			fmt.Println("genuine")
		} else {
			fmt.Println("forged")
		}
	}
}
