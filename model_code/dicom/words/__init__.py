"""Words for the chest and for views of it, in the languages and letters that radiographs and tables have them in."""
