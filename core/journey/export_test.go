package journey

import (
	"context"
	"fmt"
)

// Turn does what is due in all lanes of a workspace.
func (s *Service) Turn(ctx context.Context, ws string) error {
	for lane := range lanes {
		if _, err := s.turn(ctx, ws, fmt.Sprintf("%02d", lane)); err != nil {
			return err
		}
	}
	return nil
}

// TurnOnce does what some triggers ask for, and nothing that comes of it.
func (s *Service) TurnOnce(ctx context.Context, ws string, triggers []*Trigger) (int, error) {
	return s.work(ctx, ws, triggers, nil)
}

// TurnLane does what is due in one lane.
func (s *Service) TurnLane(ctx context.Context, ws string, lane int) error {
	_, err := s.turn(ctx, ws, fmt.Sprintf("%02d", lane))
	return err
}

// SimulateSlice is how many people a job that simulates looks at between two notes.
var SimulateSlice = &simulateSlice
