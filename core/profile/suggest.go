package profile

import "context"

// Likeness is why two people may be one.
type Likeness struct {
	Score  float64  `bson:"score"`            // 0 to 1: the probability that they are
	Agrees []string `bson:"agrees,omitempty"` // what they agree on: "lastName", "birthday"; never values
}

// ReasonSimilar is the reason of a proposal that nothing but a likeness makes.
const ReasonSimilar = "SIMILAR"

// Suggest proposes two people for a merge, and reports whether the proposal is new. It is
// not where the pair was proposed before, whatever was decided, where an unmerge has parted
// them, and where one of them is named by MaxProposals already. Errors: NOT_FOUND,
// INVALID (SAME_PROFILE).
func (s *Service) Suggest(ctx context.Context, ws, a, b string, l Likeness) (made bool, err error) {
	err = s.retry(ctx, ws, func() []string { return []string{a, b} }, func() error {
		made = false
		u, p, q, err := s.pair(ctx, ws, a, b)
		if err != nil {
			return err
		}
		between, err := s.proposalsBetween(ctx, ws, p, q)
		if err != nil || len(between) > 0 || separated(p, q) {
			return err
		}
		n := len(u.props)
		u.propose(p, q, &obstacle{reason: ReasonSimilar}, "")
		if len(u.props) == n {
			return nil
		}
		u.props[n].Likeness = &l
		made = true
		return s.commit(ctx, u)
	})
	return made && err == nil, err
}
