package journal_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/audit/journal"
)

// childEnv names the folder of a child process.
const childEnv = "HEADWATER_JOURNAL_TEST_CHILD"

// TestChildThatIsKilled is no test: it is the process that the next one kills. It says
// what is durable, a line each.
func TestChildThatIsKilled(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("this is run by another test")
	}
	j := opened(t, dir, 5000)
	for i := 0; ; i++ {
		text := fmt.Sprintf("child %d", i)
		require.NoError(t, j.Append([]journal.Record{{Workspace: "ws_1", Data: []byte(text)}}))
		fmt.Println(text)
	}
}

// TestAProcessThatIsKilledLosesNothing kills one while it writes, and reads what it said
// was durable. Its files are kept while it lives, and removed when it is dead.
func TestAProcessThatIsKilledLosesNothing(t *testing.T) {
	dir := folder(t)
	j := opened(t, dir, 0)
	child := exec.Command(os.Args[0], "-test.run=^TestChildThatIsKilled$")
	child.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	var told []string
	in := bufio.NewScanner(out)
	for len(told) < 300 && in.Scan() {
		told = append(told, in.Text())
	}
	_, err = j.Ends("ws_1")
	require.NoError(t, err)
	require.NoError(t, j.Prune(func(string, string, int64) (bool, error) { return false, nil }))
	go func() {
		time.Sleep(20 * time.Millisecond)
		_ = child.Process.Kill()
	}()
	for in.Scan() {
		told = append(told, in.Text())
	}
	_ = child.Wait()
	seen := map[string]int{}
	for _, text := range everything(t, j, "ws_1") {
		seen[text]++
	}
	for i, text := range told {
		if text == "PASS" || text == "FAIL" {
			t.Fatal("it ended by itself")
		}
		require.Equal(t, 1, seen[text], "%d", i)
	}
	require.LessOrEqual(t, len(seen), len(told)+1, "at most one was written and not told")
	require.NoError(t, j.Prune(read))
	require.Empty(t, files(t, dir))
}
