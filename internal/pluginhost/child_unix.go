//go:build unix

package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// pipeWait is how long what a process left in its pipes is read for after its end; a
// process that it started may hold them open for ever.
const pipeWait = 250 * time.Millisecond

// child is a process in a group of its own, as go-plugin runs it. It owns the thread that
// started it: on Linux the process is killed when that thread ends, and a thread of the
// Go runtime may end at any time unless it is held.
type child struct {
	cmd    *exec.Cmd
	sock   string // where its socket may be
	limits rlimits
	sink   *logSink

	first  *os.File // what go-plugin reads: the first line of standard output
	stdin  *os.File // held open: a process that reads it learns of our end
	exited chan struct{}
	code   string // how it ended, after exited

	mu     sync.Mutex
	number int            // of the process; 0 before it runs
	killed bool           // it is not to run
	family map[int]string // what came of it, by number: when it started
	marks  map[int]string // of others, that are not of it
}

var _ runner.Runner = (*child)(nil)

// rlimits of a process.
type rlimits struct {
	memory int64 // bytes
	files  uint64
}

// newChild prepares a process: cmd has the program, the environment and the folder.
func newChild(cmd *exec.Cmd, sock string, l rlimits, sink *logSink) *child {
	return &child{cmd: cmd, sock: sock, limits: l, sink: sink, exited: make(chan struct{})}
}

// Start implements runner.Runner.
func (c *child) Start(context.Context) error {
	in, stdin, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the connector: %w", err)
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close(), stdin.Close())
	}
	stderr, errOut, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close(), stdin.Close(), stdout.Close(), out.Close())
	}
	first, pass, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close(), stdin.Close(), stdout.Close(), out.Close(), stderr.Close(), errOut.Close())
	}
	c.stdin, c.first = stdin, first
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, out, errOut
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	bindToUs(c.cmd.SysProcAttr)

	started := make(chan error, 1)
	go c.live(started, []*os.File{in, out, errOut}, stdout, stderr)
	if err := <-started; err != nil {
		_ = errors.Join(stdin.Close(), stdout.Close(), stderr.Close(), first.Close(), pass.Close())
		return fmt.Errorf("start the connector: %w", err)
	}
	go c.hand(stdout, pass)
	go c.sink.read("stderr", stderr)
	return nil
}

// live is the process's life, on a thread of its own that ends with it.
func (c *child) live(started chan<- error, theirs []*os.File, pipes ...*os.File) {
	runtime.LockOSThread() // never unlocked: the thread goes
	lowerThread()
	err := c.cmd.Start()
	for _, f := range theirs {
		_ = f.Close()
	}
	if err != nil {
		close(c.exited)
		started <- err
		return
	}
	pid := c.cmd.Process.Pid
	limit(pid, c.limits)
	c.mu.Lock()
	c.number = pid
	killed := c.killed
	c.mu.Unlock()
	if killed {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	started <- nil
	awaitExit(pid)
	_ = syscall.Kill(-pid, syscall.SIGKILL) // what it started
	c.endFamily()                           // and what left its group
	err = c.cmd.Wait()
	c.code = exitWords(c.cmd.ProcessState, err)
	close(c.exited)
	_ = c.stdin.Close()
	time.Sleep(pipeWait)
	for _, f := range append(pipes, c.first) {
		_ = f.Close()
	}
}

// hand gives go-plugin the first line, which says where the process listens, and takes
// what follows as log.
func (c *child) hand(stdout, pass *os.File) {
	defer func() { _ = pass.Close() }()
	line := make([]byte, 0, 4096)
	b := make([]byte, 1) // byte by byte: what follows belongs to another reader
	for len(line) < cap(line) {
		n, err := stdout.Read(b)
		if n == 1 {
			line = append(line, b[0])
			if b[0] == '\n' {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_, _ = pass.Write(line)
	_ = pass.Close()
	c.sink.read("stdout", stdout)
}

// Kill implements runner.Runner: at once, with everything in the group, stopped or not. A
// process that has not started yet is killed when it has.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.exited:
		return nil
	default:
	}
	c.killed = true
	if c.number == 0 {
		return nil
	}
	c.seeFamily() // while it can be seen who descends from whom
	return syscall.Kill(-c.number, syscall.SIGKILL)
}

// Wait implements runner.Runner.
func (c *child) Wait(context.Context) error {
	<-c.exited
	return nil
}

// Stdout implements runner.Runner.
func (c *child) Stdout() readCloser { return c.first }

// Stderr implements runner.Runner: it is read by us.
func (c *child) Stderr() readCloser { return nothing{} }

// Name implements runner.Runner.
func (c *child) Name() string { return c.cmd.Args[0] }

// ID implements runner.Runner.
func (c *child) ID() string { return strconv.Itoa(c.pid()) }

// Diagnose implements runner.Runner.
func (c *child) Diagnose(context.Context) string { return "" }

func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.number
}

// byItself reports whether it has ended though nobody killed it.
func (c *child) byItself() bool {
	select {
	case <-c.exited:
	default:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.killed
}

// PluginToHost implements runner.Runner: a process says where it listens, and is not let
// lead us elsewhere.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	switch network {
	case "unix":
		if dir, err := filepath.EvalSymlinks(filepath.Dir(address)); err == nil && strings.HasPrefix(dir+"/", c.sock+"/") {
			return network, address, nil
		}
	case "tcp":
		host, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsLoopback() {
			return network, address, nil
		}
	}
	return "", "", errors.New("the connector does not listen in its own folder or on this machine")
}

// HostToPlugin implements runner.Runner.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

func exitWords(s *os.ProcessState, err error) string {
	if s == nil {
		return fmt.Sprint(err)
	}
	return s.String()
}
