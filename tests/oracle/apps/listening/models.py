"""Only the migrations matter: what they leave behind is compared, whatever the models of today are."""
