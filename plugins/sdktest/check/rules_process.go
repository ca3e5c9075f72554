package check

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

var secretRules = []Rule{
	{
		Name:   "secrets/kept",
		Must:   "no secret of the configuration shows in the log, in a fault, in the environment, on the command line or in a file",
		Remedy: "hold secrets in memory only, and never put a vendor's request or a URL into a message",
		Run: func(x *Exam) {
			i, said := x.provoke()
			x.secretsIn(i, said)
		},
	},
	{
		Name:   "secrets/people",
		Must:   "no value of a person shows in the log or in a fault",
		Remedy: "name the field, not its value; never pass on a vendor's error text, it may quote what was sent",
		Run: func(x *Exam) {
			v := x.Vendor()
			x.needs("BadItem", v.BadItem != nil)
			i, said := x.provoke()
			for field, value := range v.BadItem().Fields {
				s, ok := value.(string)
				if !ok || len(s) < 12 {
					continue
				}
				if strings.Contains(said, s) {
					x.Errorf("the value of %s stands in a fault", field)
				}
				if strings.Contains(i.said.String(), s) {
					x.Errorf("the value of %s stands in the log", field)
				}
			}
		},
	},
}

// provoke makes a connector say whatever it says, and returns its faults.
func (x *Exam) provoke() (*Instance, string) {
	v := x.Vendor()
	i, c := x.open()
	var said []string
	hear := func(err error) {
		if err != nil {
			f := sdk.AsFault(err)
			said = append(said, f.Reason, f.Message, f.Path)
		}
	}
	calls := x.calls(c)
	all := func() {
		for _, call := range calls {
			ctx, cancel := context.WithTimeout(x.ctx, 2*time.Second)
			hear(call.do(ctx))
			cancel()
		}
	}
	all()
	if v.Trouble != nil {
		for _, t := range []Trouble{Busy, Spent, Down, Garbled, Losing, Refusing} {
			if end := v.Trouble(t); end != nil {
				all()
				end()
			}
		}
	}
	if v.BadItem != nil && slices.Contains(c.Offers(), sdk.OffersUpsert) {
		bad := v.BadItem()
		bad.Key = "bad"
		results, err := c.Upsert(x.ctx, sdk.Batch{Stream: v.Stream, Items: []sdk.Item{bad}})
		hear(oneOf(results, err))
	}
	time.Sleep(50 * time.Millisecond) // the log comes by another stream
	return i, strings.Join(said, "\n")
}

func (x *Exam) secretsIn(i *Instance, said string) {
	schema := x.spec().ConfigSchema
	for _, path := range sdk.SecretPaths(schema) {
		var node any = x.vendor.Config
		for _, name := range path {
			m, _ := node.(map[string]any)
			node = m[name]
		}
		secret, ok := node.(string)
		if !ok || secret == "" {
			continue
		}
		name := strings.Join(path, ".")
		if len(secret) < 12 {
			if x.vendor.Seed == nil && x.vendor.Item == nil { // a real one, which is as long as it is
				continue
			}
			x.Errorf("the kit cannot look for %s: it has less than 12 characters", name)
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
			places := map[string]string{"a fault": said, "the log": i.said.String()}
			if i.cmd != nil {
				places["its environment"] = proc(i, "environ")
				places["its command line"] = proc(i, "cmdline")
				places["a file"] = files(i.dir)
			}
			for place, text := range places {
				if strings.Contains(text, form) {
					x.Errorf("%s stands in %s", name, place)
				}
			}
		}
	}
}

// proc reads what a system shows of a process to others; nothing where it has no /proc.
func proc(i *Instance, name string) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", i.cmd.Process.Pid, name))
	if err != nil {
		return ""
	}
	return string(b)
}

// files is what a process left in its folder.
func files(dir string) string {
	var all bytes.Buffer
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		// What cannot be read may have gone meanwhile.
		if err == nil && d.Type().IsRegular() {
			if b, err := os.ReadFile(path); err == nil {
				all.WriteString(path)
				all.Write(b)
			}
		}
		return nil
	})
	return all.String()
}

var processRules = []Rule{
	{
		Name:    "process/ends",
		Process: true,
		Must:    "the process ends within 15 s of SIGTERM, and its connection was closed",
		Remedy:  "call sdk.Serve in main, and let Close return",
		Run: func(x *Exam) {
			if runtime.GOOS == "windows" {
				x.Skipf("there is no SIGTERM")
			}
			i := x.start()
			if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				x.Failf("SIGTERM: %v", err)
			}
			if !i.exits(15 * time.Second) {
				x.Errorf("it is still there")
			}
		},
	},
	{
		Name:    "process/orphan",
		Process: true,
		Must:    "the process ends within 2 s when its host is gone, even when that was killed",
		Remedy:  "call sdk.Serve in main; in another language watch the parent's process id",
		Run:     orphan,
	},
	{
		Name:    "process/by-hand",
		Process: true,
		Must:    "started without a host it says what it is, and ends",
		Remedy:  "call sdk.Serve first in main",
		Run: func(x *Exam) {
			p, ok := x.subject.(program)
			if !ok {
				x.Skipf("it is about a program")
			}
			ctx, cancel := context.WithTimeout(x.ctx, 3*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, p.path)
			cmd.Env = p.env
			out, err := cmd.CombinedOutput()
			if ctx.Err() != nil {
				x.Failf("it is still there after 3 s")
			}
			if err == nil || len(out) == 0 {
				x.Errorf("it ends with %v and says %q; it must end with a code above 0 and say why", err, firstLine(string(out)))
			}
		},
	},
	{
		Name:    "process/quiet",
		Process: true,
		Must:    "nothing but the handshake stands on standard output before the host is there, and no file is left",
		Remedy:  "log by slog; keep nothing on disk",
		Run: func(x *Exam) {
			i := x.start()
			if _, err := i.Remote.Spec(x.ctx); err != nil {
				x.Failf("Spec: %v", err)
			}
			if left := files(i.dir); left != "" {
				x.Errorf("it keeps files")
			}
		},
	},
}

// orphan starts the process beneath a shell, which is its parent then, and kills the shell.
func orphan(x *Exam) {
	p, ok := x.subject.(program)
	if !ok {
		x.Skipf("it is about a program")
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		x.Skipf("there is no shell here")
	}
	dir, err := os.MkdirTemp("", "orphan-")
	if err != nil {
		x.Failf("no folder: %v", err)
	}
	x.onEnd(func() { os.RemoveAll(dir) })
	cmd := exec.Command(shell, "-c", `HEADWATER_HOST_PID=$$ "$1" & echo $! >"$2"; wait`, "sh", p.path, filepath.Join(dir, "pid"))
	cmd.Env = append([]string{
		"TMPDIR=" + dir, sdk.Handshake.MagicCookieKey + "=" + sdk.Handshake.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=1",
	}, p.env...)
	if err := cmd.Start(); err != nil {
		x.Failf("it does not start: %v", err)
	}
	var pid int
	for range 200 {
		b, _ := os.ReadFile(filepath.Join(dir, "pid")) // it appears when the shell has written it
		if _, err := fmt.Sscan(string(b), &pid); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond) // a process that has not begun yet proves nothing
	_ = cmd.Process.Kill()             // what matters is whether its child stays
	_ = cmd.Wait()
	if pid == 0 {
		x.Failf("it does not start")
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if gone(process) {
			return
		}
	}
	_ = process.Kill() // it must not stay on this machine
	x.Errorf("it is still there 2 s after its host was killed")
}

// gone tells whether a process has ended; one that nobody buried has.
func gone(p *os.Process) bool {
	if p.Signal(syscall.Signal(0)) != nil {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		return false
	}
	_, after, _ := bytes.Cut(b, []byte(") "))
	return len(after) > 0 && after[0] == 'Z'
}
