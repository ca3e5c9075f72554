package pluginhost

import (
	"io"
	"runtime"
)

type readCloser = io.ReadCloser

// nothing is an empty stream.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) Close() error             { return nil }

// aside does work that takes the processor for long, such as reading a whole program, behind
// everything else that we do. Its thread cannot be raised again and ends with it.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		lowerThread()
		f()
	}()
	<-done
}
