// Package sendhour says at which hour of the day somebody is likely to take up what they
// are sent.
//
// # What counts
//
// A Signal is one thing that the person did: opened a message (OpenedWeight), clicked in
// one or answered it (ClickedWeight), or did something of their own accord, such as an
// order or looking at a page (ActiveWeight). On the person's own clock, in one hour of one
// day, each kind counts once, so that ten pages of one visit are not ten visits. A signal
// counts half of what it did each HalfLife, and a quarter of it is taken to lie in the hour
// before and another in the hour after, midnight's neighbours being 23 and 1: the circular
// kernel (¼, ½, ¼), which keeps the sum (Fisher, "Statistical Analysis of Circular Data",
// 1993, section 2.2, has such smoothing of circular histograms).
//
// # What is said
//
// The hour at which the next engagement falls has 24 outcomes. Of their shares a person has
// a Dirichlet distribution with parameters α_h = Weight · Shares_h + c_h, where Shares are
// the workspace's, Weight says for how many signals those stand, and c_h are the person's own
// weighted signals. That is the posterior of a multinomial (Gelman and others, "Bayesian Data
// Analysis", third edition, section 3.4). With A = Σ α the share of an hour has the mean
// α_h/A and the distribution Beta(α_h, A − α_h), from which its interval is read. The best
// hour is the one with the highest mean; of equal ones the earliest.
//
// The workspace's shares are those of everybody's engagements, of one person at most
// PersonLimit, smoothed by the same kernel and drawn to the uniform distribution by
// UniformWeight signals. Weight is found by the likelihood of people's counts given those
// shares, which is Pólya's distribution (Minka, "Estimating a Dirichlet distribution", 2000),
// among Weights: where people are alike it is high, where each has hours of their own low.
//
// Everything here is a pure function of its arguments.
package sendhour
