package benchmark

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// ticksPerSecond is in what /proc counts the time of processes: 100 a second on
// every Linux, whatever the kernel's own clock.
const ticksPerSecond = 100

// CPU returns the processor time that the server has used, its system time too. It
// says what work costs on a machine that does other things meanwhile. It works where
// there is a /proc.
func (s *Server) CPU() (time.Duration, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	// The name, in brackets, may hold spaces; the times are the 12th and 13th after it.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("processor time: %d fields", len(fields))
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// ReadFromDisk returns how many bytes the server has read that were not in the memory
// of the system. It works where there is a /proc.
func (s *Server) ReadFromDisk() (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID) + "/io")
	if err != nil {
		return 0, fmt.Errorf("bytes read from the disk: %w", err)
	}
	for line := range bytes.Lines(b) {
		if n, ok := bytes.CutPrefix(line, []byte("read_bytes: ")); ok {
			return strconv.ParseInt(string(bytes.TrimSpace(n)), 10, 64)
		}
	}
	return 0, errors.New("bytes read from the disk: not told")
}
