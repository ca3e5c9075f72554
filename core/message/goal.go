package message

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// goalKind is the kind of the tasks that tell the messages of an enrollment that its person
// came to the journey's goal.
const goalKind = "message.goal"

// attained is the payload of such a task.
type attained struct {
	Enrollment string    `bson:"enr"`
	At         time.Time `bson:"at"`
}

// Attained returns the operations that let the messages of an enrollment hear that its
// person came to the journey's goal: those that had left by then have reached theirs. The
// key is of that one coming, so that it is told once.
func (s *Service) Attained(ws, enrollment, key string, at time.Time) []store.Op {
	return []store.Op{work.Enqueue(work.Item{
		Kind: goalKind, Workspace: ws, Name: key, DueAt: at, Payload: attained{Enrollment: enrollment, At: at},
	})}
}

// attain is the handler of goalKind. It may run again at any point: a message attains its
// goal once.
func (s *Service) attain(ctx context.Context, l *work.Lease) error {
	var in attained
	if err := l.Payload(&in); err != nil {
		return work.Permanent(err)
	}
	ws := l.Task().Workspace
	list, err := Messages.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("enrollment", in.Enrollment)}}, 0)
	if err != nil {
		return err
	}
	for _, m := range list {
		err := s.change(ctx, ws, m.MessageID(), func(m *Message) (*turn, error) {
			if !m.Goal || m.Attained || !m.leftBy(in.At) {
				return nil, nil
			}
			next := *m
			next.Attained = true
			return &turn{next: &next}, nil
		})
		if err != nil {
			return err
		}
	}
	return l.Complete(ctx)
}

// leftBy reports whether a message was handed over no later than an instant.
func (m *Message) leftBy(at time.Time) bool {
	if m.Attempt != nil && !m.Attempt.At.After(at) {
		return true
	}
	for _, h := range m.Timeline {
		if h.Type == WasSent && !h.At.After(at) {
			return true
		}
	}
	return false
}
