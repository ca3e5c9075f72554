package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/plugins/sdktest/check"
)

// offline is the environment of a go command that fetches nothing.
func offline() []string {
	return append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=-mod=mod", "GOWORK=off")
}

// What connector new writes passes the kit as it is, and its program connector test.
func TestTheTemplateConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and tests a module")
	}
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "shop")
	var out, errOut bytes.Buffer
	require.Zero(t, run([]string{"connector", "new", "my-shop", "--dir", dir, "--title", "My Shop", "--plugins", plugins}, &out, &errOut), errOut.String())
	assert.Contains(t, out.String(), "make test")

	unformatted, err := exec.Command("gofmt", "-l", dir).CombinedOutput()
	require.NoError(t, err)
	assert.Empty(t, string(unformatted))

	test := exec.Command("go", "test", "-v", "./...")
	test.Dir, test.Env = dir, offline()
	said, err := test.CombinedOutput()
	require.NoError(t, err, "%s", said)
	for _, must := range []string{"memory/pull/resume", "process/pull/crash", "process/secrets/kept", "process/upsert/partial", "memory/trouble/spent"} {
		assert.Contains(t, string(said), "--- PASS: TestConformance/"+must+" ")
	}

	program := filepath.Join(dir, "bin", "my-shop")
	build := exec.Command("go", "build", "-o", program, "./cmd/my-shop")
	build.Dir, build.Env = dir, offline()
	said, err = build.CombinedOutput()
	require.NoError(t, err, "%s", said)
	out.Reset()
	require.Zero(t, run([]string{"connector", "test", program, "--json"}, &out, &errOut), errOut.String())
	var report connectorReport
	require.NoError(t, json.Unmarshal(out.Bytes(), &report))
	assert.Zero(t, report.Failed)
	assert.Greater(t, report.Passed, 10)
	out.Reset()
	require.Zero(t, run([]string{"connector", "test", program}, &out, &errOut), errOut.String())
	assert.Regexp(t, `(?m)^pass  spec/secrets `, out.String())

	// Nobody listens there: Check fails, and the report says so.
	config := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(config, []byte(`{"url":"http://127.0.0.1:1","token":"a-token-of-some-length"}`), 0o600))
	out.Reset()
	require.Equal(t, 1, run([]string{"connector", "test", program, "--settings", config}, &out, &errOut))
	assert.Regexp(t, `(?m)^fail  config/check `, out.String())
	assert.Contains(t, out.String(), "the vendor is not reached")
	assert.NotContains(t, out.String()+errOut.String(), "a-token-of-some-length")
}

func TestConnectorNewRefuses(t *testing.T) {
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "file"), nil, 0o600))
	for _, args := range [][]string{
		{"Shop"}, {"my shop"}, {"-shop"}, {"../shop"}, {"shop-"}, {strings.Repeat("s", 64)},
		{"shop", "--dir", full},
	} {
		var out, errOut bytes.Buffer
		assert.NotZero(t, run(append([]string{"connector", "new"}, args...), &out, &errOut), args)
	}
	entries, err := os.ReadDir(full)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// A program that is no connector fails, and the report says by what.
func TestConnectorTestOfSomethingElse(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho hello\nexit 1\n"), 0o755))
	var out, errOut bytes.Buffer
	assert.Equal(t, 1, run([]string{"connector", "test", program, "--json"}, &out, &errOut))
	var report connectorReport
	require.NoError(t, json.Unmarshal(out.Bytes(), &report))
	assert.NotZero(t, report.Failed)
	for _, f := range report.Findings {
		if f.Status == check.Fail {
			assert.NotEmpty(t, f.Remedy)
			assert.NotEmpty(t, f.Detail)
		}
	}
	assert.Contains(t, errOut.String(), "CONNECTOR_BROKEN")
}
