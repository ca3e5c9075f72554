package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSandboxSaysWhereItIsAndBeginsWithTheFaults(t *testing.T) {
	faults := filepath.Join(t.TempDir(), "faults.json")
	require.NoError(t, os.WriteFile(faults, []byte(`{"hubspot":[{"kind":"quota_spent","times":1}]}`), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := command(ctx, "sandbox", "--faults", faults)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	first, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	var said struct {
		Salesforce, Hubspot string
		SMPP                string
		Credentials         map[string]map[string]string
	}
	require.NoError(t, json.Unmarshal(first, &said), string(first))
	require.NotEmpty(t, said.Credentials["salesforce"]["clientId"])
	require.NotEmpty(t, said.Credentials["smpp"]["smppSystemId"])
	centre, err := net.Dial("tcp", said.SMPP)
	require.NoError(t, err)
	require.NoError(t, centre.Close())
	mails, err := net.Dial("tcp", net.JoinHostPort(said.Credentials["smtp"]["host"], said.Credentials["smtp"]["port"]))
	require.NoError(t, err)
	require.NoError(t, mails.Close())

	get := func(url, token string) *http.Response {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	token := said.Credentials["hubspot"]["accessToken"]
	require.Equal(t, http.StatusTooManyRequests, get(said.Hubspot+"/crm/v3/objects/contacts", token).StatusCode)
	require.Equal(t, http.StatusOK, get(said.Hubspot+"/crm/v3/objects/contacts", token).StatusCode)
	require.Equal(t, http.StatusUnauthorized, get(said.Salesforce+"/services/data/v62.0/limits", "none").StatusCode)

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestSandboxRefusesAFaultsFileThatMeansNothing(t *testing.T) {
	faults := filepath.Join(t.TempDir(), "faults.json")
	for text, want := range map[string]string{
		`{"pipedrive":[]}`:                    `there is no emulator of "pipedrive"`,
		`{"hubspot":[{"kind":"earthquake"}]}`: `no fault is called "earthquake"`,
	} {
		require.NoError(t, os.WriteFile(faults, []byte(text), 0o600))
		out, code := headwaterCode(t, "sandbox", "--faults", faults)
		require.Equal(t, 1, code)
		require.Contains(t, out, want)
	}
}
