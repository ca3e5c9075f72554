package benchmark

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Server is a running headwater.
type Server struct {
	Keys
	URL     string // http://host:port
	PID     int
	StartUp time.Duration // from the start of the process to /readyz
	Stop    func() error
}

// Resident returns the resident memory of the server's process, in bytes, now and
// at its peak. It works where there is a /proc.
func (s *Server) Resident() (now, peak int64, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID) + "/status")
	if err != nil {
		return 0, 0, fmt.Errorf("resident memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		to := &now
		switch name {
		case "VmRSS":
		case "VmHWM":
			to = &peak
		default:
			continue
		}
		kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("resident memory: %w", err)
		}
		*to = kb << 10
	}
	return now, peak, nil
}

// graphql is a client of one server.
type graphql struct {
	client *http.Client
	url    string
	auth   string
}

func newGraphQL(s *Server) *graphql {
	return &graphql{client: newClient(), url: s.URL + "/graphql", auth: "Bearer " + s.AdminKey}
}

// answer is a GraphQL response.
type answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code   string `json:"code"`
			Reason string `json:"reason"`
		} `json:"extensions"`
	} `json:"errors"`
	status int
}

// send posts a query and returns whatever comes back.
func (g *graphql) send(ctx context.Context, query string, variables map[string]any) (answer, error) {
	var a answer
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/graphql-response+json, application/json")
	req.Header.Set("Authorization", g.auth)
	res, err := g.client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	a.status = res.StatusCode
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return a, err
	}
	// A body that was refused before it reached GraphQL may be answered in plain text.
	if err := json.Unmarshal(b, &a); err != nil && a.status == http.StatusOK {
		return a, fmt.Errorf("graphql: %w", err)
	}
	return a, nil
}

// query is send for a query that must succeed; data is decoded into out.
func (g *graphql) query(ctx context.Context, out any, query string, variables map[string]any) error {
	a, err := g.send(ctx, query, variables)
	if err != nil {
		return err
	}
	if len(a.Errors) > 0 {
		e := a.Errors[0]
		return fmt.Errorf("graphql: %s %s: %s", e.Extensions.Code, e.Extensions.Reason, e.Message)
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("graphql: answered %d", a.status)
	}
	return json.Unmarshal(a.Data, out)
}
