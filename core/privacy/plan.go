package privacy

import "context"

// plan says what an erasure would do.
func (s *Service) plan(ctx context.Context, ws string, t *target) (*Plan, error) {
	p := &Plan{Parts: t.parts(), Retained: s.retained(s.o.Clock.Now(), false)}
	if t.profile != nil {
		p.ProfileID = t.profile.ProfileID()
	}
	var err error
	if p.Holds, err = s.holdsOn(ctx, ws, t.parts(), t.identifiers()); err != nil {
		return nil, err
	}
	if p.Counts, err = s.count(ctx, &Subject{Workspace: ws, Parts: t.parts(), Identifiers: t.identifiers()}); err != nil {
		return nil, err
	}
	list, err := s.destinationsOf(ctx, ws)
	for _, d := range list {
		p.Destinations = append(p.Destinations, d.Name())
	}
	return p, err
}
