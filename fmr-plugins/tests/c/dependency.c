void fmr_dependency(void);
void fmr_dependency(void) {}
