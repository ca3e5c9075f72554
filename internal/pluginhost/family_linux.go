package pluginhost

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// relative is a process as the kernel shows it.
type relative struct {
	pid, parent, group int
	started            string // in ticks since the machine's start: with the pid it names a process for ever
}

// relatives lists the processes of the machine that run.
func relatives() map[int]relative {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	out := make(map[int]relative, len(names))
	for _, n := range names {
		pid, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		if r, ok := relativeOf(pid); ok {
			out[pid] = r
		}
	}
	return out
}

func relativeOf(pid int) (relative, bool) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return relative{}, false
	}
	// The name in parentheses may hold anything.
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return relative{}, false
	}
	r := relative{pid: pid, started: f[19]}
	r.parent, _ = strconv.Atoi(f[1])
	r.group, _ = strconv.Atoi(f[2])
	return r, true
}

// look brings up to date which processes came of the child: those of its group, those that
// descend from it, those that did when it was looked before, and those that left both
// but still have its folder in their environment. It returns those that run.
func (c *child) look(all map[int]relative) []relative {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lookLocked(all)
}

// seeFamily is look for who holds the lock.
func (c *child) seeFamily() { c.lookLocked(relatives()) }

func (c *child) lookLocked(all map[int]relative) []relative {
	if c.number == 0 {
		return nil
	}
	if c.family == nil {
		c.family = map[int]string{}
	}
	for pid, started := range c.family {
		if r, ok := all[pid]; !ok || r.started != started {
			delete(c.family, pid)
		}
	}
	for more := true; more; { // children of children
		more = false
		for pid, r := range all {
			if _, known := c.family[pid]; known || pid == c.number {
				continue
			}
			_, ours := c.family[r.parent]
			if ours || r.parent == c.number || r.group == c.number || c.strayed(r) {
				c.family[pid] = r.started
				more = true
			}
		}
	}
	var out []relative
	for pid := range c.family {
		out = append(out, all[pid])
	}
	return out
}

// strayed reports whether an orphan carries the child's folder in its environment.
func (c *child) strayed(r relative) bool {
	if r.parent != 1 && r.parent != os.Getpid() || r.pid == os.Getpid() || c.marks[r.pid] == r.started {
		return false
	}
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(r.pid) + "/environ")
	if err == nil && bytes.Contains(raw, []byte("\x00TMPDIR="+c.cmd.Dir+"\x00")) {
		return true
	}
	if c.marks == nil {
		c.marks = map[int]string{}
	}
	c.marks[r.pid] = r.started // it is not looked at again
	return false
}

// endFamily kills what came of the child, until nothing of it is found.
func (c *child) endFamily() {
	for range 5 {
		c.mu.Lock()
		c.marks = nil
		c.mu.Unlock()
		left := c.look(relatives())
		if len(left) == 0 {
			return
		}
		for _, r := range left {
			if now, ok := relativeOf(r.pid); ok && now.started == r.started {
				_ = syscall.Kill(r.pid, syscall.SIGKILL)
			}
		}
	}
}

// watchFamilies ends a connector whose processes together have more memory than it may, or
// are too many.
func (h *Host) watchFamilies() {
	var all map[int]relative
	for _, p := range h.running() {
		p.mu.Lock()
		c := p.child
		p.mu.Unlock()
		if c == nil || !p.alive() {
			continue
		}
		if all == nil {
			all = relatives()
		}
		family := c.look(all)
		memory := resident(c.pid())
		for _, r := range family {
			memory += resident(r.pid)
		}
		switch {
		case memory > p.memory && len(family) > 0:
			p.end(tooMuchMemory(p.memory))
		case len(family) > mostProcesses:
			p.end(crashed(reasonProcesses, "the connector started more than "+strconv.Itoa(mostProcesses)+" processes; its author must end those that are done"))
		}
	}
}

// mostProcesses is how many processes a connector may have beside its own.
const mostProcesses = 64

// endOrphans kills the connectors of a host that is gone, which could not end what its
// connectors had started.
func endOrphans() {
	for pid, r := range relatives() {
		raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil || pid == os.Getpid() {
			continue
		}
		cookie, host := false, 0
		for v := range bytes.SplitSeq(raw, []byte{0}) {
			if rest, ok := bytes.CutPrefix(v, []byte("HEADWATER_HOST_PID=")); ok {
				host, _ = strconv.Atoi(string(rest))
			}
			cookie = cookie || bytes.HasPrefix(v, []byte("HEADWATER_CONNECTOR="))
		}
		if !cookie || host <= 1 {
			continue
		}
		if err := syscall.Kill(host, 0); err == syscall.ESRCH {
			if now, ok := relativeOf(pid); ok && now.started == r.started {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}
