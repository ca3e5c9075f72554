package sync

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// stateOf returns the state that a fault puts a connection into.
func stateOf(f *Fault) ConnectionState {
	switch f.Kind {
	case FaultUnauthorized:
		return Unauthorized
	case FaultInvalidConfig, FaultBlocked:
		return InvalidConfig
	case FaultQuota:
		return QuotaParked
	case FaultCrashLoop:
		return CrashLoop
	}
	return Degraded
}

// Status returns the state of a connection and, where it is not well, why.
func (s *Service) Status(ctx context.Context, c *Connection) (ConnectionState, *Health, error) {
	if c.Paused {
		return PausedState, nil, nil
	}
	h, err := s.health(ctx, c)
	switch {
	case err != nil:
		return "", nil, err
	case h == nil:
		return s.blocked(ctx, c)
	case h.State == QuotaParked && !s.now().Before(h.Until):
		return Ready, nil, nil
	}
	return h.State, h, nil
}

// health returns what is wrong with a connection's calls; nil when nothing is.
func (s *Service) health(ctx context.Context, c *Connection) (*Health, error) {
	h, err := Healths.Get(ctx, s.Store, c.ID)
	if err != nil {
		return nil, storeError("read the connection", err)
	}
	if h != nil && h.State != Ready {
		return h, nil
	}
	if p := s.Host.Process(c.ID); p.State == ProcessCrashLoop {
		return &Health{State: CrashLoop, Fault: p.Fault, Until: p.Next}, nil
	}
	return nil, nil
}

// blocked tells of a sync that may hand nothing over.
func (s *Service) blocked(ctx context.Context, c *Connection) (ConnectionState, *Health, error) {
	list, err := s.syncsOf(ctx, c.Workspace(), c.ConnectionID())
	if err != nil {
		return "", nil, err
	}
	for _, y := range list {
		st, err := States.Get(ctx, s.Store, y.ID)
		if err != nil {
			return "", nil, storeError("read the sync", err)
		}
		if st != nil && st.Blocked != nil && !y.Paused {
			return InvalidConfig, &Health{State: InvalidConfig, Fault: st.Blocked}, nil
		}
	}
	return Ready, nil, nil
}

// note stores what the last call of a connection came to; nil is success.
func (s *Service) note(ctx context.Context, c *Connection, f *Fault) error {
	err := s.insist(ctx, func() error {
		h, err := Healths.Get(ctx, s.Store, c.ID)
		if err != nil {
			return err
		}
		if f == nil && (h == nil || h.State == Ready) {
			return nil
		}
		if h == nil {
			h = &Health{Meta: store.Meta{ID: c.ID}}
		}
		now := s.now()
		h.At = now
		if f == nil {
			h.State, h.Fault, h.Until, h.Failures = Ready, nil, time.Time{}, 0
		} else {
			f = f.dated(now)
			h.State, h.Fault, h.Until = stateOf(f), f, f.Until
			h.Failures++
		}
		return work.Commit(ctx, s.Store, Healths.Put(h))
	})
	return storeError("write the connection's state", err)
}

// CheckConnection calls the vendor to prove that the configuration works, and returns what
// is wrong; nil when nothing is.
func (s *Service) CheckConnection(ctx context.Context, ws, id string) (*Connection, *Fault, error) {
	if err := connect(ctx); err != nil {
		return nil, nil, err
	}
	c, err := s.mustConnection(ctx, ws, id)
	if err != nil {
		return nil, nil, err
	}
	call, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var in Instance
	newer, err := s.upgraded(call, c)
	if err == nil {
		c = newer
		in, _, err = s.dial(call, c)
	}
	if err == nil {
		err = in.Check(call)
	}
	var own *core.Error
	if errors.As(err, &own) {
		return nil, nil, err
	}
	f := AsFault(err)
	if err := s.note(ctx, c, f); err != nil {
		return nil, nil, err
	}
	if f != nil {
		return c, f, nil
	}
	return c, nil, s.wake(ctx, ws, id)
}

// Streams asks a connection which streams there are.
func (s *Service) Streams(ctx context.Context, c *Connection) ([]Stream, error) {
	call, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	in, _, err := s.dial(call, c)
	if err != nil {
		return nil, outside(err)
	}
	list, err := in.Discover(call)
	if f := AsFault(err); f != nil && f.Kind == FaultUnsupported { // a channel has none
		return nil, nil
	}
	return list, outside(err)
}

// outside makes a fault the error that leaves the domain.
func outside(err error) error {
	if err == nil {
		return nil
	}
	var own *core.Error
	if errors.As(err, &own) {
		return err
	}
	f := AsFault(err)
	code := core.Unavailable
	if f.Kind == FaultBlocked || f.Kind == FaultInvalidConfig || f.Kind == FaultUnauthorized || f.Kind == FaultUnsupported || f.Kind == FaultInvalidRecord {
		code = core.Conflict
	}
	return core.Errorf(code, "VENDOR_"+string(f.Kind), "%s (%s)", f.Message, f.Origin).After(f.After)
}
