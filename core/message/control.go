package message

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Control says what is switched off. Every shard has a copy, so that hand-offs of
// different lanes do not meet on it; all copies change in one commit.
type Control struct {
	store.Meta `bson:",inline"` // key: workspace/shard
	Off        []Switch         `bson:"off,omitempty"`
}

// Switch is a kill switch that is thrown.
type Switch struct {
	Channel string    `bson:"c,omitempty"` // "" is every channel
	Reason  string    `bson:"r,omitempty"`
	At      time.Time `bson:"t"`
	By      string    `bson:"b"`
}

var controls = store.Declare[Control](store.Spec{Name: "message_controls"})

func controlKey(ws string, shard int) string { return store.Key(ws, strconv.Itoa(shard)) }

// shardOf returns the shard of a lane.
func shardOf(lane string) int {
	n, _ := strconv.Atoi(lane[strings.LastIndexByte(lane, '.')+1:])
	return n
}

// off returns the switch that stops a channel, or nil.
func (c *Control) off(channel string) *Switch {
	for i := range c.Off {
		if c.Off[i].Channel == "" || c.Off[i].Channel == channel {
			return &c.Off[i]
		}
	}
	return nil
}

// control reads the switches for a lane, and what a hand-off's commit demands of them.
func (s *Service) control(ctx context.Context, ws, lane string) (*Control, store.Op, error) {
	key := controlKey(ws, shardOf(lane))
	c, err := controls.Get(ctx, s.Store, key)
	if err != nil {
		return nil, store.Op{}, storeError("read the kill switches", err)
	}
	if c == nil {
		return &Control{}, controls.Absent(key), nil
	}
	return c, controls.Check(c), nil
}

// Switches lists what is switched off.
func (s *Service) Switches(ctx context.Context, ws string) ([]Switch, error) {
	c, _, err := s.control(ctx, ws, ".0")
	if err != nil {
		return nil, err
	}
	return c.Off, nil
}

// SetSwitch throws the kill switch of a channel, "" of all of them, or takes it back. When
// it returns, no hand-off commits over it any more; what was handed over before and is not
// answered is in the list.
func (s *Service) SetSwitch(ctx context.Context, ws, channel string, off bool, reason string) ([]Switch, []Flight, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, nil, err
	}
	if !channelOr(channel) {
		return nil, nil, core.Errorf(core.Invalid, "CHANNEL", "there is no such channel").At("channel")
	}
	if len(reason) > 500 {
		return nil, nil, core.Errorf(core.Invalid, "REASON", "a reason has at most 500 bytes").At("reason")
	}
	var out []Switch
	for try := 0; ; try++ {
		keys := make([]string, lanes)
		for i := range keys {
			keys[i] = controlKey(ws, i)
		}
		have, err := controls.GetMany(ctx, s.Store, keys)
		if err != nil {
			return nil, nil, storeError("read the kill switches", err)
		}
		out = nil
		if have[0] != nil {
			out = slices.DeleteFunc(slices.Clone(have[0].Off), func(w Switch) bool { return w.Channel == channel })
		}
		if off {
			out = append(out, Switch{Channel: channel, Reason: reason, At: s.now(), By: actor(ctx)})
		}
		var ops []store.Op
		for i, c := range have {
			if c == nil {
				c = &Control{Meta: store.Meta{ID: keys[i]}}
			}
			c.Off = out
			ops = append(ops, controls.Put(c))
		}
		word := "ON"
		if off {
			word = "OFF"
		}
		ops, err = s.audited(ctx, audit.Entry{
			Workspace: ws, Action: "messages.switch", Resource: "killSwitch", Details: map[string]string{"channel": channel, "sending": word, "why": reason},
		}, ops...)
		if err != nil {
			return nil, nil, err
		}
		err = work.Commit(ctx, s.Store, ops...)
		if errors.Is(err, store.ErrConflict) && try < 200 { // hand-offs check it all the time
			if core.SystemClock.Sleep(core.SystemClock{}, ctx, time.Duration(1+try%5)*time.Millisecond) != nil {
				return nil, nil, core.AsError(ctx.Err())
			}
			continue
		}
		if err != nil {
			return nil, nil, storeError("write the kill switches", err)
		}
		break
	}
	if !off {
		s.WakeAll(ws)
		return out, nil, nil
	}
	flights, err := s.flights(ctx, ws, channel)
	return out, flights, err
}

// flights lists what is in flight over a channel, "" over all.
func (s *Service) flights(ctx context.Context, ws, channel string) ([]Flight, error) {
	list, err := Messages.Find(ctx, s.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("status", string(Handed))}, Order: []string{"-at"},
	}, maxFlights)
	if err != nil {
		return nil, storeError("read the messages", err)
	}
	var out []Flight
	for _, m := range list {
		if channel == "" || m.Channel == channel {
			out = append(out, Flight{ID: m.MessageID(), Channel: m.Channel, Purpose: m.Purpose, HandedAt: m.Flight})
		}
	}
	return out, nil
}
