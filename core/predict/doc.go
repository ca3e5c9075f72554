// Package predict says what people are likely to do: how often they will order, for how
// much, when next, whether they are customers still, and what they may want to buy.
//
// # What is known of a person
//
// An Outlook is the fold of one person's events, part by part: on which days they
// ordered for how much, which products, and what was predicted of them. It changes in
// the commit of its events (Derive). What makes an event an order is told by the
// workspace's Settings; when that changes, a job folds everybody's past anew.
//
// # Models
//
// Training is a job. It reads the outlooks in pages into cells of people who are alike
// (core/predict/btyd) or into counts of pairs (core/predict/basket), so that what it
// keeps in memory does not grow with people or events. What it finds is a Model: a
// document with its version, window, size, parameters and how good it was on time that
// it had not seen. A model is a candidate until it is activated; one of each kind is
// active, and an earlier one can be activated again.
//
// Whether somebody becomes a customer is learnt from the signals and traits that settings
// declare (Signal, FitTrait), as they were known at the ends of past periods: see learning.
// Without signals nothing of that is kept.
//
// Below MinBuyers buyers, MinDays days or without people who ordered three times or more,
// there is no model: training says what is missing, and so does every prediction.
//
// # Predictions
//
// The sweep predicts for whoever has ordered since, and for everybody once in
// RefreshDays, by the active model. It tells with one system event for each prediction
// ("Prediction Computed", with its interval, model and reasons), so that conditions,
// segments and journeys hear of it as of anything else that happens; a value that has
// hardly changed is not told again. The reasons of a prediction are additive: a baseline,
// which is a typical customer's, and what each number of this person adds to it; of
// lead.conversion on the scale of log odds.
//
// Who objects to the purpose that predictions are made for, or has its processing
// restricted, has none: their predictions go in the commit of the objection, the sweep
// withdraws them from conditions, and no new ones are made while that holds.
//
// The formulas stand in core/predict/btyd, core/predict/logistic and core/predict/basket.
package predict
