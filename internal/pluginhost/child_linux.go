package pluginhost

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// priority is how far connectors stand behind us for the processor.
const priority = 10

// Room beside the memory that is watched: what a runtime reserves and does not use. It
// bounds what a process can take between two looks at it.
const reserve = 512 << 20

// bindToUs has the kernel kill the process when the thread that starts it ends, and with
// it when we end, however we do.
func bindToUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// lowerThread lowers this thread for what it starts: priority, and no way to gain rights.
func lowerThread() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, priority) // a process that runs as fast as we do is a nuisance, no fault
	_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// limit sets what the process may use. It counts from here on: what starts has not yet
// had the time to use more.
func limit(pid int, l rlimits) {
	set := func(what int, most uint64) {
		_ = unix.Prlimit(pid, what, &unix.Rlimit{Cur: most, Max: most}, nil) // the watchdog stands behind
	}
	set(unix.RLIMIT_CORE, 0) // a core dump would hold the secrets
	set(unix.RLIMIT_NOFILE, l.files)
	set(unix.RLIMIT_FSIZE, 64<<20)
	set(unix.RLIMIT_DATA, uint64(l.memory)+reserve)
	// Where memory runs out the kernel takes them before us.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("800"), 0)
}

// awaitExit waits until the process has ended and leaves it to be reaped, so that its
// group's number is still its own.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// resident is the memory that a process has for itself, in bytes; 0 when it is gone.
func resident(pid int) int64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	f := bytes.Fields(raw)
	if len(f) < 3 {
		return 0
	}
	all, _ := strconv.ParseInt(string(f[1]), 10, 64)
	shared, _ := strconv.ParseInt(string(f[2]), 10, 64)
	return (all - shared) * int64(os.Getpagesize())
}
