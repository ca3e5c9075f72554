// Package logistic says how likely something is that happens or does not, from numbers
// known before: logistic regression, and how good what it says turns out to be.
//
// Fit maximises the likelihood by iteratively reweighted least squares (McCullagh and
// Nelder's book of 1989 on generalised linear models, section 2.5), which without a ridge is what
// R's glm does. A score is the sum of an intercept and of what each number contributes
// on the scale of log odds, so that its reasons add up to it.
//
// Everything here is a pure function of its arguments.
package logistic
