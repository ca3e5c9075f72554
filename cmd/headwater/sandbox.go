package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/connectors/sandbox/hubspot"
	"github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/connectors/sandbox/salesforce"
	"github.com/headwater-cdp/headwater/connectors/sandbox/smtp"
	"github.com/headwater-cdp/headwater/connectors/sandbox/twilio"
	"github.com/headwater-cdp/headwater/connectors/sms/smpp/smpptest"
)

// sandboxCmd serves the emulators of the vendors, each beneath its name, and prints
// in one line where they are and what lets a client in.
type sandboxCmd struct {
	Addr   string `help:"Address to listen on." default:"127.0.0.1:0" placeholder:"HOST:PORT"`
	Faults string `help:"JSON file with the faults to begin with: {\"hubspot\":[{\"kind\":\"rate_limited\",\"times\":3}]}." type:"existingfile" placeholder:"FILE"`
}

// emulators are the vendors that there are. The mail server listens on a port of its own
// until it is closed.
func emulators() ([]sandbox.Emulator, *smtp.Sink, error) {
	mails, err := smtp.Start(smtp.Options{})
	if err != nil {
		return nil, nil, fmt.Errorf("listen for mail: %w", err)
	}
	return []sandbox.Emulator{salesforce.New(), hubspot.New(), klaviyo.New(), twilio.New(), mails.Emulator()}, mails, nil
}

// Run implements the command.
func (c *sandboxCmd) Run(e *env) (err error) {
	all, mails, err := emulators()
	if err != nil {
		return err
	}
	defer mails.Close()
	if c.Faults != "" {
		if err := setFaults(all, c.Faults); err != nil {
			return err
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(e.ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen for the sandbox: %w", err)
	}
	centre, err := smpptest.Start()
	if err != nil {
		return errors.Join(fmt.Errorf("listen for SMPP: %w", err), listener.Close())
	}
	defer centre.Close()
	centre.Delivers()
	server := &http.Server{Handler: sandbox.Mount(all...), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	if err := printSandbox(e, all, "http://"+listener.Addr().String(), centre.Address()); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-stopped:
		return fmt.Errorf("serve the sandbox: %w", err)
	case <-e.ctx.Done():
	}
	// What is slow on purpose is not waited for.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// printSandbox prints the one line that a program reads.
func printSandbox(e *env, all []sandbox.Emulator, base, centre string) error {
	credentials := map[string]map[string]string{"smpp": {"smppSystemId": smpptest.SystemID, "smppPassword": smpptest.Password}}
	line := map[string]any{"credentials": credentials, "smpp": centre}
	for _, v := range all {
		line[v.Name] = base + "/" + v.Name
		credentials[v.Name] = v.Credentials
	}
	return json.NewEncoder(e.out).Encode(line)
}

// setFaults sets what a faults file says.
func setFaults(all []sandbox.Emulator, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	faults, err := sandbox.ReadFaults(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		i := slices.IndexFunc(all, func(v sandbox.Emulator) bool { return v.Name == name })
		if i < 0 {
			return fmt.Errorf("%s: there is no emulator of %q", path, name)
		}
		if err := all[i].Desk.Faults.Add(faults[name]...); err != nil {
			return fmt.Errorf("%s: %s: %w", path, name, err)
		}
	}
	return nil
}
