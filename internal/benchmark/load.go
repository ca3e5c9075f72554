package benchmark

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Send delivers one batch body of n events and returns when they are on disk.
type Send func(ctx context.Context, body []byte, n int) error

// Load describes a closed loop: each client sends its next batch when the last
// one was acknowledged.
type Load struct {
	Kind    Kind
	People  int
	Clients int           // default 8
	Batch   int           // events a batch; default 100
	For     time.Duration // default 8 s
	Name    string        // makes message ids of runs differ
}

func (l *Load) defaults() {
	if l.Clients == 0 {
		l.Clients = 8
	}
	if l.Batch == 0 {
		l.Batch = 100
	}
	if l.For == 0 {
		l.For = 8 * time.Second
	}
}

// Drive runs the load and returns acknowledged events a second. The first error
// ends it.
func Drive(ctx context.Context, l Load, send Send) (float64, error) {
	l.defaults()
	ctx, cancel := context.WithTimeout(ctx, l.For+30*time.Second)
	defer cancel()
	var acked atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, l.Clients)
	start := time.Now()
	for c := range l.Clients {
		wg.Go(func() {
			s := NewStream(l.Kind, l.People, l.Name+strconv.Itoa(c))
			for time.Since(start) < l.For {
				if err := send(ctx, s.Batch(l.Batch), l.Batch); err != nil {
					errs <- err
					cancel()
					return
				}
				acked.Add(int64(l.Batch))
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	select {
	case err := <-errs:
		return 0, fmt.Errorf("load: %w", err)
	default:
		return float64(acked.Load()) / took.Seconds(), nil
	}
}

// errBusy is the server's 429: a closed loop waits a moment and repeats.
var errBusy = errors.New("429 too many requests")

// HTTP returns a Send that posts to /v1/batch with the write key. Under
// back-pressure it waits and repeats, which is counted as time, not as an error.
func HTTP(base, writeKey string) Send {
	client := newClient()
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(writeKey+":"))
	return func(ctx context.Context, body []byte, _ int) error {
		for {
			err := post(ctx, client, base+"/v1/batch", auth, body)
			if !errors.Is(err, errBusy) {
				return err
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	t.DisableCompression = true
	return &http.Client{Transport: t, Timeout: 30 * time.Second}
}

func post(ctx context.Context, client *http.Client, url, auth string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", auth)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusTooManyRequests:
		return errBusy
	}
	return fmt.Errorf("%s answered %d: %s", url, res.StatusCode, answer)
}
