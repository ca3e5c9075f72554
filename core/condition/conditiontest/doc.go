// Package conditiontest says what a condition means a second time, as slowly and
// as plainly as it can: Evaluate looks at everything that is known of a person
// from the beginning, keeps nothing and shares nothing. The evaluator that runs
// in production folds events into ledgers and computes when its answer changes
// next; random histories and conditions from this package are put to both, and
// there must be no difference.
//
// Nothing here may be derived from the code it checks: only the nodes of a
// condition are taken from package condition.
package conditiontest
