package auditverify

import (
	"bytes"
	"io"
	"runtime"
)

// chunkBytes is about how much of a file is looked at together.
const chunkBytes = 256 << 10

// chunk is some whole lines of a file. Its memory is used again.
type chunk struct {
	text   []byte
	parsed []line
	done   chan struct{} // one value when parsed is complete
	plain  []byte
}

// parse takes the lines of a chunk apart.
func (c *chunk) parse() {
	c.parsed = c.parsed[:0]
	for rest := c.text; len(rest) > 0; {
		text, after, _ := bytes.Cut(rest, []byte{'\n'})
		c.parsed = append(c.parsed, parse(text, &c.plain))
		rest = after
	}
	c.done <- struct{}{}
}

// chunks cuts a file into chunks.
type chunks struct {
	r    io.Reader
	tail []byte // the beginning of a line whose end is not read yet
	end  bool
	err  error
}

// fill reads the next chunk into c, and is false when there is none. The last line need
// not have an end.
func (in *chunks) fill(c *chunk) bool {
	c.text = append(c.text[:0], in.tail...)
	in.tail = in.tail[:0]
	for !in.end {
		from := len(c.text)
		if cap(c.text)-from < chunkBytes/2 { // a line may be longer than a chunk
			c.text = append(make([]byte, 0, 2*cap(c.text)+chunkBytes), c.text...)
		}
		n, err := in.r.Read(c.text[from:cap(c.text)])
		c.text = c.text[:from+n]
		if err != nil {
			in.end = true
			if err != io.EOF {
				in.err = err
			}
			break
		}
		if len(c.text) < chunkBytes {
			continue
		}
		// All before from was looked at, unless it came with the tail.
		if i := bytes.LastIndexByte(c.text, '\n'); i >= 0 {
			in.tail = append(in.tail, c.text[i+1:]...)
			c.text = c.text[:i+1]
			return true
		}
	}
	return len(c.text) > 0
}

// read looks at every line, in order. Taking lines apart is shared by all processors.
func (v *verifier) read(r io.Reader) error {
	workers := runtime.GOMAXPROCS(0)
	free := make(chan *chunk, 2*workers+2)
	for range cap(free) {
		free <- &chunk{done: make(chan struct{}, 1)}
	}
	work, order := make(chan *chunk, cap(free)), make(chan *chunk, cap(free))
	stop := make(chan struct{})
	defer close(stop)
	for range workers {
		go func() {
			for c := range work {
				c.parse()
			}
		}()
	}
	in := &chunks{r: r}
	go func() {
		defer close(order)
		defer close(work)
		for {
			select {
			case c := <-free:
				if !in.fill(c) {
					return
				}
				work <- c // there is room for all that there are
				order <- c
			case <-stop:
				return
			}
		}
	}()
	for c := range order {
		<-c.done
		for i := range c.parsed {
			v.line++
			if err := v.take(&c.parsed[i]); err != nil {
				return err
			}
		}
		free <- c
	}
	return in.err
}
