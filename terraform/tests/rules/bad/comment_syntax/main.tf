// A comment of two strokes. # bad

/* A comment of a stroke and a star. # bad */

resource "terraform_data" "bad" {
  input = (
    1 // Before an operator. # bad
    + 2
  )
}
